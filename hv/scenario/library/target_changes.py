"""The host changes its mind around a hibernation: before, in and after freeze, in thaw, before resume."""

import errno

from hv.scenario import GUESTS, Carrier, Run, World, scenario

TARGET = 3000
OTHER = 4500
CARRIERS = (Carrier.SWAP,)


def _settles(run: Run, leak: bool = False) -> None:
    """The guest reaches the new target, its memory is right, and both sides agree."""
    run.until_target()
    run.verify()
    run.balance("settled", leak=TARGET if leak and run.world.era.leaks else 0)


def _change_at(world: World, line: str, target: int) -> None:
    """Change the target when the guest prints a line on its way to sleep; it must arrive where it resumes."""
    run = world.start(touch=2000, target=TARGET)
    run.start_hibernation()
    run.until_line(line)
    run.set_target(target)
    run.until_off()
    _settles(world.next(), leak=True)


@scenario(carriers=CARRIERS, guests=GUESTS)
def target_changes_before_freeze(world: World) -> None:
    """The target grows while image memory is being allocated."""
    _change_at(world, "Preallocating image memory", OTHER)


@scenario(carriers=CARRIERS, guests=GUESTS)
def target_changes_in_freeze(world: World) -> None:
    """The target shrinks to nothing when the kernel's threads have just been frozen."""
    _change_at(world, "Freezing remaining freezable tasks completed", 0)


@scenario(carriers=CARRIERS, guests=GUESTS)
def target_changes_after_freeze(world: World) -> None:
    """The target grows when the devices are frozen and the image is about to be made."""
    _change_at(world, "Creating image", OTHER)


@scenario(carriers=CARRIERS, guests=GUESTS)
def target_changes_in_thaw(world: World) -> None:
    """The target grows while the image is being written, with the devices thawed and the threads not."""
    _change_at(world, "(?i)saving image data", OTHER)


@scenario(carriers=CARRIERS, guests=GUESTS)
def target_changes_in_a_failure(world: World) -> None:
    """The hibernation fails, and the target has changed between freeze and thaw."""
    run = world.start(touch=2000, target=TARGET)
    run.disable_swap()
    run.start_hibernation()
    run.until_line("Creating image")
    run.set_target(OTHER)
    run.finish(-errno.ENODEV)
    _settles(run)


@scenario(guests=GUESTS)
def target_changes_while_off(world: World) -> None:
    """The host has another target when the guest comes back."""
    world.start(touch=2000, target=TARGET).hibernate()
    world.target = OTHER
    _settles(world.next(), leak=True)


@scenario(carriers=CARRIERS, guests=GUESTS)
def target_changes_before_resume(world: World) -> None:
    """The target changes under the boot kernel, just before it jumps into the image."""
    world.start(touch=2000, target=TARGET).hibernate()
    woken = world.power_on()
    woken.until_line("Image load(ed|ing done)")
    woken.set_target(OTHER)
    woken.until_resumed()
    _settles(woken, leak=True)
