/* A libnvidia-ml.so.1 that does what a file says, so that the real binding runs on a machine without a device.
 *
 * $SCRIPTED_NVML names the file; it is read at each call, so it can change while a program runs. A line is
 *
 *     TARGET VERB [NUMBER ...]
 *
 * where TARGET is a function, a function and a device ("nvmlDeviceGetPowerUsage:1"), or a device ("device:1"), and
 * VERB is "return" (this code), "hang", "crash", "print" (on standard output) or "value" (what it answers).
 * "devices value 2" is how many there are. Each call is a line of $SCRIPTED_NVML.log.
 * With -DOLD it has only what drivers had before the second version of memory and the third of processes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUCCESS 0
#define UNINITIALIZED 1
#define INVALID_ARGUMENT 2
#define INSUFFICIENT_SIZE 7
#define EVERY (-1)

typedef unsigned long long u64;
typedef void *Device;

static int initialized = 0;

/* The rest of the line "TARGET VERB ", with the most special target first; NULL if there is none. */
static char *line_of(const char *target, const char *verb, char *line, size_t size) {
    char wanted[160];
    char *found = NULL;
    const char *path = getenv("SCRIPTED_NVML");
    FILE *script = path == NULL ? NULL : fopen(path, "r");
    if (script == NULL) return NULL;
    snprintf(wanted, sizeof wanted, "%s %s", target, verb);
    while (found == NULL && fgets(line, (int)size, script) != NULL)
        if (strncmp(line, wanted, strlen(wanted)) == 0 && strchr(" \n", line[strlen(wanted)]) != NULL)
            found = line + strlen(wanted);
    fclose(script);
    return found;
}

static char *scripted(const char *function, int device, const char *verb, char *line, size_t size) {
    char target[128];
    char *found = NULL;
    if (device != EVERY) {
        snprintf(target, sizeof target, "%s:%d", function, device);
        found = line_of(target, verb, line, size);
    }
    if (found == NULL) found = line_of(function, verb, line, size);
    if (found == NULL && device != EVERY) {
        snprintf(target, sizeof target, "device:%d", device);
        found = line_of(target, verb, line, size);
    }
    return found;
}

static void record(const char *function, int device) {
    char path[4096];
    FILE *log;
    snprintf(path, sizeof path, "%s.log", getenv("SCRIPTED_NVML"));
    log = fopen(path, "a");
    if (log == NULL) return;
    if (device == EVERY) fprintf(log, "%s\n", function);
    else fprintf(log, "%s:%d\n", function, device);
    fclose(log);
}

static int enter(const char *function, int device) {
    char line[4096];
    char *code;
    record(function, device);
    if (scripted(function, device, "print", line, sizeof line)) { printf("noise from a driver\n"); fflush(stdout); }
    if (scripted(function, device, "crash", line, sizeof line)) *(volatile int *)8 = 1;
    while (scripted(function, device, "hang", line, sizeof line)) sleep(1);
    code = scripted(function, device, "return", line, sizeof line);
    if (code != NULL) return atoi(code);
    if (!initialized && strcmp(function, "nvmlInitWithFlags") != 0) return UNINITIALIZED;
    return SUCCESS;
}

static u64 number(const char *function, int device, int position, u64 otherwise) {
    char line[4096];
    char *rest = scripted(function, device, "value", line, sizeof line);
    char *token = rest == NULL ? NULL : strtok(rest, " \n");
    for (; token != NULL && position > 0; position--) token = strtok(NULL, " \n");
    return token == NULL ? otherwise : strtoull(token, NULL, 10);
}

static int index_of(Device device) { return (int)((size_t)device - 1); }

#define ENTER(device) do { int code_ = enter(__func__, device); if (code_ != SUCCESS) return code_; } while (0)

/* --- the library as a whole --- */

int nvmlInitWithFlags(unsigned flags) { (void)flags; ENTER(EVERY); initialized = 1; return SUCCESS; }

int nvmlShutdown(void) { ENTER(EVERY); initialized = 0; return SUCCESS; }

const char *nvmlErrorString(int code) { (void)code; return "scripted"; }

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    ENTER(EVERY);
    snprintf(version, length, "570.00");
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) { ENTER(EVERY); *count = (unsigned)number("devices", EVERY, 0, 1); return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
    ENTER((int)index);
    if (index >= number("devices", EVERY, 0, 1)) return INVALID_ARGUMENT;
    *device = (Device)((size_t)index + 1);
    return SUCCESS;
}

/* --- one device --- */

int nvmlDeviceGetName(Device device, char *name, unsigned length) {
    ENTER(index_of(device));
    snprintf(name, length, "Scripted %d", index_of(device));
    return SUCCESS;
}

int nvmlDeviceGetUUID(Device device, char *uuid, unsigned length) {
    ENTER(index_of(device));
    snprintf(uuid, length, "GPU-%08d-0000-0000-0000-000000000000", index_of(device));
    return SUCCESS;
}

struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char address[32]; };

int nvmlDeviceGetPciInfo_v3(Device device, struct pci *place) {
    ENTER(index_of(device));
    memset(place, 0, sizeof *place);
    place->bus = 0x40u + (unsigned)index_of(device);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Device device, unsigned rates[2]) {
    ENTER(index_of(device));
    rates[0] = (unsigned)number(__func__, index_of(device), 0, 10);
    rates[1] = 0;
    return SUCCESS;
}

#ifndef OLD
struct memory_v2 { unsigned version; u64 total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(Device device, struct memory_v2 *memory) {
    ENTER(index_of(device));
    if (memory->version != (sizeof *memory | 2u << 24)) return 25;
    memory->total = number(__func__, index_of(device), 0, 1000);
    memory->reserved = number(__func__, index_of(device), 1, 100);
    memory->used = number(__func__, index_of(device), 2, 300);
    memory->free = memory->total - memory->reserved - memory->used;
    return SUCCESS;
}

struct temperature { unsigned version; unsigned sensor; int celsius; };

int nvmlDeviceGetTemperatureV(Device device, struct temperature *temperature) {
    ENTER(index_of(device));
    if (temperature->version != (sizeof *temperature | 1u << 24)) return 25;
    temperature->celsius = (int)number(__func__, index_of(device), 0, 50);
    return SUCCESS;
}
#endif

int nvmlDeviceGetMemoryInfo(Device device, u64 memory[3]) {
    ENTER(index_of(device));
    memory[0] = number(__func__, index_of(device), 0, 1000);
    memory[2] = number(__func__, index_of(device), 1, 400);
    memory[1] = memory[0] - memory[2];
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Device device, int sensor, unsigned *celsius) {
    ENTER(index_of(device));
    (void)sensor;
    *celsius = (unsigned)number(__func__, index_of(device), 0, 51);
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts) {
    ENTER(index_of(device));
    *milliwatts = (unsigned)number(__func__, index_of(device), 0, 75500);
    return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *milliwatts) {
    ENTER(index_of(device));
    *milliwatts = (unsigned)number(__func__, index_of(device), 0, 300000);
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(Device device, int type, unsigned *megahertz) {
    ENTER(index_of(device));
    *megahertz = type == 0 ? 1410 : 1593;
    return SUCCESS;
}

/* --- processes: "value PID BYTES PID BYTES ..." --- */

struct process { unsigned pid; u64 used; unsigned instance, compute_instance; };

static int list(const char *function, int device, unsigned *room, struct process *processes) {
    unsigned there = 0;
    while (number(function, device, (int)(2 * there), 0) != 0) there++;
    if (there == 0) { *room = 0; return SUCCESS; }
    if (processes == NULL || *room < there) { *room = there; return INSUFFICIENT_SIZE; }
    *room = there;
    for (unsigned n = 0; n < there; n++) {
        memset(&processes[n], 0, sizeof processes[n]);
        processes[n].pid = (unsigned)number(function, device, (int)(2 * n), 0);
        processes[n].used = number(function, device, (int)(2 * n + 1), (u64)-1);
    }
    return SUCCESS;
}

#define LISTS(name) \
    int name(Device device, unsigned *room, struct process *processes) { \
        ENTER(index_of(device)); \
        return list(__func__, index_of(device), room, processes); \
    }

LISTS(nvmlDeviceGetComputeRunningProcesses_v2)
LISTS(nvmlDeviceGetGraphicsRunningProcesses_v2)
#ifndef OLD
LISTS(nvmlDeviceGetComputeRunningProcesses_v3)
LISTS(nvmlDeviceGetGraphicsRunningProcesses_v3)
#endif
