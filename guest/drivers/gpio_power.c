/*
 * The power button: the pin of the board's SiFive GPIO (FU540-C000 manual, chapter 17), which the tree's gpio-keys
 * node calls KEY_POWER. A press powers the machine off in an orderly way. It is work for a task that freezes:
 * a button pressed during hibernation is heard after it, or by the kernel that resumes.
 *
 *	gpio_keys.off	leave it alone: for an image that is to resume on a board without it, as QEMU's
 */
#include "init.h"
#include "io.h"
#include "irq.h"
#include "kernel.h"
#include "platform_device.h"
#include "reboot.h"
#include "workqueue.h"

#define GPIO_INPUT_EN 0x04
#define GPIO_RISE_IE 0x18
#define GPIO_RISE_IP 0x1c
#define GPIO_PIN 1u

static char *regs;
static struct work_struct power_off_work;

static void power_off(struct work_struct *work)
{
	kernel_power_off();
}

static irqreturn_t power_button_interrupt(int irq, void *dev_id)
{
	if (!(readl(regs + GPIO_RISE_IP) & GPIO_PIN))
		return IRQ_NONE;
	writel(GPIO_PIN, regs + GPIO_RISE_IP);
	pr_info("Power Button pressed\n");
	queue_work(system_freezable_wq, &power_off_work);
	return IRQ_HANDLED;
}

static void gpio_setup(void)
{
	writel(GPIO_PIN, regs + GPIO_INPUT_EN);
	writel(GPIO_PIN, regs + GPIO_RISE_IE);
}

static int gpio_probe(struct platform_device *pdev)
{
	if (get_bootarg("gpio_keys.off"))
		return -ENODEV;
	regs = ioremap(pdev->start, pdev->size);
	if (!regs)
		return -ENOMEM;
	INIT_WORK(&power_off_work, power_off);
	gpio_setup();
	return request_irq(pdev->irq, power_button_interrupt, "gpio-keys", NULL);
}

static int gpio_restore(struct platform_device *pdev)
{
	gpio_setup();
	return 0;
}

static const struct dev_pm_ops gpio_pm_ops = { .restore = gpio_restore };
static const struct platform_driver gpio_power_driver = {
	.name = "gpio-keys",
	.of_match = "sifive,gpio0",
	.probe = gpio_probe,
	.pm = &gpio_pm_ops,
};
module_platform_driver(gpio_power_driver);
