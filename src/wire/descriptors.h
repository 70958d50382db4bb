#ifndef TILERY_WIRE_DESCRIPTORS_H
#define TILERY_WIRE_DESCRIPTORS_H

/* Files that a program opens beside its connections: listeners, the log, a backend, libraries' threads. */
#define DESCRIPTORS_BESIDE 256u

/* First of all: standard input, output and error that are closed become ones that can neither be read nor
 * written, so that no other file takes their numbers, and with them what is written there. */
void descriptors_hold_standard(void);

/* Lets the process have as many files open as so many connections, and DESCRIPTORS_BESIDE, take; a warning on
 * stderr, by the program's name, where the system allows fewer. Returns how many there may be. */
unsigned descriptors_allow(const char *program, unsigned connections);

#endif
