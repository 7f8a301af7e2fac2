/* The console is standard input and output. */
#ifndef CONSOLE_H
#define CONSOLE_H

int console_init(void);
int console_getchar(void);

#endif
