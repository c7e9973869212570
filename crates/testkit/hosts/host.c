/* A program in C that loads libraries written in Go: its arguments are paths and how many objects each
   library is to make. It says "ready", and waits until its standard input ends. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        void (*grow)(long) = library ? (void (*)(long))dlsym(library, "Grow") : NULL;
        if (grow == NULL) {
            fprintf(stderr, "error %s\n", dlerror());
            return 1;
        }
        grow(atol(argv[i + 1]));
    }
    fprintf(stderr, "ready\n");
    char buffer[256];
    while (read(0, buffer, sizeof buffer) > 0)
        ;
    return 0;
}
