#include "wire/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify(const char *where, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = where != NULL ? strlen(where) : 0;
    int fd;

    if (len == 0 || len >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, where, len);
    if (where[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}
