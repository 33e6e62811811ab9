/* Devices that the device tree describes, their drivers, and their part in hibernation. */
#ifndef PLATFORM_DEVICE_H
#define PLATFORM_DEVICE_H

#include "list.h"
#include "of.h"

struct platform_driver;

struct platform_device {
	const char *name; /* the node's name: "virtio_mmio@10001000" */
	struct device_node of_node;
	phys_addr_t start; /* the first range of `reg` */
	size_t size;
	unsigned int irq; /* the first of `interrupts`, 0 when it has none */
	const struct platform_driver *driver; /* set once probe() succeeded */
	void *driver_data;
	struct list_head node;
};

/*
 * Linux's meaning: freeze() before the snapshot and before power-off, quiesce() in the resuming kernel
 * before it gives way to the image (NULL: freeze(), which is all that Linux has), thaw() after the
 * snapshot or after a failure, restore() in the restored kernel, on a device that knows nothing of us.
 * suspend() before the machine idles with its power on, resume() after. NULL where there is nothing to do.
 */
struct dev_pm_ops {
	int (*freeze)(struct platform_device *pdev);
	int (*quiesce)(struct platform_device *pdev);
	int (*thaw)(struct platform_device *pdev);
	int (*restore)(struct platform_device *pdev);
	int (*suspend)(struct platform_device *pdev);
	int (*resume)(struct platform_device *pdev);
};

struct platform_driver {
	const char *name;
	const char *of_match; /* one `compatible` string */
	int (*probe)(struct platform_device *pdev);
	const struct dev_pm_ops *pm;
};

DECLARE_TABLE(const struct platform_driver *const, platform_driver);

/* Adds a `static const struct platform_driver` to the table of drivers. */
#define module_platform_driver(drv)                                                               \
	static const struct platform_driver *const __platform_driver_##drv table_entry(platform_driver) = &drv

/* Builds the list of devices and probes each that a driver matches, in order of address. */
void of_platform_populate(void);

/*
 * Callbacks of all devices that have a driver. Freezing and suspending go in reverse order of probing; when
 * one fails, those already stopped are thawed or resumed and its error is returned. Thawing, restoring and
 * resuming go on after an error and return the first.
 */
int dpm_freeze(void);
int dpm_quiesce(void);
int dpm_suspend(void);
int dpm_thaw(void);
int dpm_restore(void);
int dpm_resume(void);

#endif
