"""P5."""

from hv.scenario import ERAS, GUESTS, World, scenario

TARGET = 4000


@scenario(eras=ERAS, promise="P5", guests=GUESTS)
def no_pressure_on_the_host(world: World) -> None:
    """Deflate requests between freeze and power-off: none, where the era keeps the seed's promise.

    > This means we don't deflate the balloon
    > before sleep, and also don't put unnecessary pressure on the host.
    """
    run = world.start(touch=2000, target=TARGET)
    before = run.host_pages()
    run.hibernate()
    requests = run.balloon.counters.deflate_requests
    if world.era.deflates_at_freeze:
        world.figure("deflate_requests_at_freeze", requests)
        world.check(requests > 0, "the era deflates at freeze, and asked for nothing")
    else:
        world.figure("deflate_requests_at_freeze", requests, expected=0)
    world.figure("host_pages_taken_by_hibernation", run.host_pages() - before)
