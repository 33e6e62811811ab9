/*
 * The platform bus: makes a device of each node of the tree that a driver knows, in order of address (so that
 * the interrupt controller and the UART, lower on this board, come before what needs them), probes
 * them, and passes hibernation's phases on to their drivers.
 */
#include "platform_device.h"

#include "byteorder.h"
#include "slab.h"

static LIST_HEAD(platform_devices);

static const struct platform_driver *find_driver(const struct device_node *node)
{
	const struct platform_driver *const *drv;

	for_each_table_entry(drv, platform_driver)
		if (of_device_is_compatible(node, (*drv)->of_match))
			return *drv;
	return NULL;
}

static int add_device(const struct device_node *node, void *arg)
{
	const struct platform_driver *drv = find_driver(node);
	struct platform_device *pdev, *next;
	u64 start, size;
	u32 irq;

	if (!drv || !of_device_is_available(node) || !of_get_reg(node, 0, &start, &size))
		return 0;
	pdev = kzalloc(sizeof(*pdev), GFP_KERNEL);
	if (!pdev)
		return -ENOMEM;
	*pdev = (struct platform_device){ .name = node->name, .of_node = *node, .start = start, .size = size,
					  .driver = drv };
	if (of_property_read_u32(node, "interrupts", &irq))
		pdev->irq = irq;
	list_for_each_entry(next, &platform_devices, node)
		if (next->start > start)
			break;
	list_add_tail(&pdev->node, &next->node);
	return 0;
}

void of_platform_populate(void)
{
	struct platform_device *pdev, *next;
	int err = of_for_each_node(add_device, NULL);

	if (err)
		pr_err("platform: device tree walk ended with %d\n", err);
	list_for_each_entry_safe(pdev, next, &platform_devices, node) {
		err = pdev->driver->probe(pdev);
		if (!err)
			continue;
		if (err != -ENODEV)
			pr_warn("%s %s: probe failed with %d\n", pdev->driver->name, pdev->name, err);
		list_del(&pdev->node);
		kfree(pdev);
	}
}

typedef int (*pm_callback)(struct platform_device *pdev);

static int run_callback(struct platform_device *pdev, size_t member, const char *phase)
{
	const struct dev_pm_ops *pm = pdev->driver->pm;
	pm_callback callback = pm ? *(const pm_callback *)((const char *)pm + member) : NULL;
	int err = callback ? callback(pdev) : 0;

	if (err)
		pr_err("PM: %s %s: %s failed with %d\n", pdev->driver->name, pdev->name, phase, err);
	return err;
}

#define RUN_CALLBACK(pdev, phase) run_callback(pdev, offsetof(struct dev_pm_ops, phase), #phase)

static int freeze_device(struct platform_device *pdev)
{
	return RUN_CALLBACK(pdev, freeze);
}

static int quiesce_device(struct platform_device *pdev)
{
	const struct dev_pm_ops *pm = pdev->driver->pm;

	return pm && pm->quiesce ? RUN_CALLBACK(pdev, quiesce) : RUN_CALLBACK(pdev, freeze);
}

static int thaw_device(struct platform_device *pdev)
{
	return RUN_CALLBACK(pdev, thaw);
}

static int restore_device(struct platform_device *pdev)
{
	return RUN_CALLBACK(pdev, restore);
}

static int suspend_device(struct platform_device *pdev)
{
	return RUN_CALLBACK(pdev, suspend);
}

static int resume_device(struct platform_device *pdev)
{
	return RUN_CALLBACK(pdev, resume);
}

static int stop_devices(pm_callback stop, pm_callback undo)
{
	struct platform_device *pdev;

	list_for_each_entry_reverse(pdev, &platform_devices, node) {
		int err = stop(pdev);

		if (!err)
			continue;
		list_for_each_entry_continue(pdev, &platform_devices, node)
			undo(pdev);
		return err;
	}
	return 0;
}

static int start_devices(pm_callback start)
{
	struct platform_device *pdev;
	int ret = 0;

	list_for_each_entry(pdev, &platform_devices, node) {
		int err = start(pdev);

		ret = ret ? ret : err;
	}
	return ret;
}

int dpm_freeze(void)
{
	return stop_devices(freeze_device, thaw_device);
}

int dpm_quiesce(void)
{
	return stop_devices(quiesce_device, thaw_device);
}

int dpm_suspend(void)
{
	return stop_devices(suspend_device, resume_device);
}

int dpm_thaw(void)
{
	return start_devices(thaw_device);
}

int dpm_restore(void)
{
	return start_devices(restore_device);
}

int dpm_resume(void)
{
	return start_devices(resume_device);
}
