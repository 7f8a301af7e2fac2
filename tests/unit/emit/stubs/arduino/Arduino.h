/* As much of the Arduino API as the examples use: the serial port is standard input and output. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t byte;

class Port {
public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t println(const char *text);
    explicit operator bool() const { return open; }

private:
    bool open = false;
    unsigned calls = 0;
};

extern Port Serial;
unsigned long millis();
void setup();
void loop();

#endif
