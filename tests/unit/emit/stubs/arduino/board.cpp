/* Nothing has come in at every other look, as on a slow line. */
#include <Arduino.h>
#include <stdio.h>

Port Serial;

void Port::begin(unsigned long baud)
{
    open = baud == 115200;
}

int Port::available()
{
    const int next = getchar();
    if (next == EOF || ++calls % 2u == 0u) {
        ungetc(next, stdin);
        return 0;
    }
    ungetc(next, stdin);
    return 1;
}

int Port::read()
{
    return getchar();
}

size_t Port::println(const char *text)
{
    return static_cast<size_t>(printf("%s\r\n", text));
}

unsigned long millis()
{
    return 0;
}

int main()
{
    setup();
    while (!feof(stdin)) {
        loop();
    }
    return 0;
}
