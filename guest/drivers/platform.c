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

static int quiesce_device(struct platform_device *pdev)
{
	const struct dev_pm_ops *pm = pdev->driver->pm;

	return pm && pm->quiesce ? RUN_CALLBACK(pdev, quiesce) : RUN_CALLBACK(pdev, freeze);
}

static int suspend_devices(bool quiesce)
{
	struct platform_device *pdev;

	list_for_each_entry_reverse(pdev, &platform_devices, node) {
		int err = quiesce ? quiesce_device(pdev) : RUN_CALLBACK(pdev, freeze);

		if (!err)
			continue;
		list_for_each_entry_continue(pdev, &platform_devices, node)
			RUN_CALLBACK(pdev, thaw);
		return err;
	}
	return 0;
}

int dpm_freeze(void)
{
	return suspend_devices(false);
}

int dpm_quiesce(void)
{
	return suspend_devices(true);
}

int dpm_thaw(void)
{
	struct platform_device *pdev;
	int ret = 0;

	list_for_each_entry(pdev, &platform_devices, node) {
		int err = RUN_CALLBACK(pdev, thaw);

		ret = ret ? ret : err;
	}
	return ret;
}

int dpm_restore(void)
{
	struct platform_device *pdev;
	int ret = 0;

	list_for_each_entry(pdev, &platform_devices, node) {
		int err = RUN_CALLBACK(pdev, restore);

		ret = ret ? ret : err;
	}
	return ret;
}
