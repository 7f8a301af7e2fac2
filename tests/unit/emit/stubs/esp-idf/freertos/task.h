#ifndef TASK_H
#define TASK_H

void vTaskDelay(const TickType_t ticks);

#endif
