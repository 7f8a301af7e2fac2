#include <stdarg.h>
#include <stdio.h>

#include <zephyr/console/console.h>
#include <zephyr/sys/printk.h>

int console_init(void)
{
    return 0;
}

int console_getchar(void)
{
    return getchar(); /* EOF is negative, as errors are */
}

void printk(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    (void)vprintf(format, values);
    va_end(values);
}
