#ifndef KERNEL_H
#define KERNEL_H

#define __aligned(bytes) __attribute__((aligned(bytes)))

#endif
