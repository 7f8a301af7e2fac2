#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp_partition.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

void app_main(void);

static uint64_t flash[8192];
static esp_partition_t found;

void vTaskDelay(const TickType_t ticks)
{
    exit(ticks == 1u ? 0 : 1); /* all input has been read */
}

const esp_partition_t *esp_partition_find_first(
    esp_partition_type_t type, esp_partition_subtype_t subtype, const char *label)
{
    const char *path = getenv("STUB_PARTITION");
    FILE *file = path != NULL && type == 0x40 && subtype == ESP_PARTITION_SUBTYPE_ANY && strcmp(label, "weights") == 0
                     ? fopen(path, "rb")
                     : NULL;

    if (file == NULL) {
        return NULL;
    }
    found.size = (uint32_t)fread(flash, 1, sizeof flash, file);
    (void)fclose(file);
    return &found;
}

esp_err_t esp_partition_mmap(const esp_partition_t *partition, size_t offset, size_t size,
    esp_partition_mmap_memory_t memory, const void **out_ptr, esp_partition_mmap_handle_t *out_handle)
{
    if (offset != 0 || size > partition->size || memory != ESP_PARTITION_MMAP_DATA) {
        return 0x104;
    }
    *out_ptr = flash;
    *out_handle = 1;
    return ESP_OK;
}

int main(void)
{
    app_main();
    return 0;
}
