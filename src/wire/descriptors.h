#ifndef TILERY_WIRE_DESCRIPTORS_H
#define TILERY_WIRE_DESCRIPTORS_H

/* Lets the process have as many files open as so many connections, and what else it opens, may take; a warning
 * on stderr, by the program's name, where the system allows fewer. Then connections wait to be taken. */
void descriptors_allow(const char *program, unsigned connections);

#endif
