/* The floor of fan-out: the same frame to every client by send(), and nothing else.
 *
 * Prints its port; then, for each line on standard input: "wait N" accepts until there are N clients, "cost ROUNDS
 * PAUSE_MS" sends that many frames to all and prints the microseconds of processor time for each message. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MAX_CLIENTS 65536

static int clients[MAX_CLIENTS];

static double spent(void) {
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

static size_t frame(unsigned char *into, int seq, size_t bytes) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    char *text = (char *)into + 4;
    int used = snprintf(text, bytes, "{\"type\":\"snapshot\",\"topic\":\"system\",\"seq\":%d,\"data\":{\"sent\":%019lld,\"pad\":\"",
                        seq, at.tv_sec * 1000000000LL + at.tv_nsec);
    memset(text + used, 'x', bytes - used - 3);
    memcpy(text + bytes - 3, "\"}}", 3);
    into[0] = 0x81, into[1] = 126, into[2] = bytes >> 8, into[3] = bytes & 0xff;
    return bytes + 4;
}

int main(int count, char **arguments) {
    size_t bytes = count > 1 ? atoi(arguments[1]) : 560;
    unsigned char *buffer = malloc(bytes + 4);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), connected = 0, seq = 0, wanted, rounds, pause_ms, on = 1;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port)), fflush(stdout);
    char line[100];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "wait %d", &wanted) == 1) {
            while (connected < wanted && connected < MAX_CLIENTS) {
                clients[connected] = accept(listener, NULL, NULL);
                setsockopt(clients[connected++], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            }
            printf("%d\n", connected), fflush(stdout);
        } else if (sscanf(line, "cost %d %d", &rounds, &pause_ms) == 2) {
            struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000L};
            double total = 0;
            for (int round = 0; round < rounds; round++) {
                double before = spent();
                size_t length = frame(buffer, ++seq, bytes);
                for (int each = 0; each < connected; each++)
                    send(clients[each], buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
                total += spent() - before;
                nanosleep(&pause, NULL);
            }
            printf("%f\n", total / rounds / connected), fflush(stdout);
        }
    }
    return 0;
}
