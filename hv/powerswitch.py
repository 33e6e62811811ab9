"""The power switch: what the guest has asked of the platform, and how that ends a run."""

from collections.abc import Callable

from devices.power import PowerAction, PowerRequest
from devices.state import Fields, State
from hv.stop import Stop, StopReason

_REASONS = {
    PowerAction.POWEROFF: StopReason.POWEROFF,
    PowerAction.RESET: StopReason.RESET,
    PowerAction.HIBERNATE: StopReason.HIBERNATE,
    PowerAction.FAIL: StopReason.GUEST_FAULT,
}


class PowerSwitch:
    """The switch of one machine, on until the guest's first request; a machine that is off stays off.

    Args:
        platform_sleep: whether the machine can be asked for hibernation.
        request_stop: has the hart stop, as there is something to look at.
    """

    def __init__(self, platform_sleep: bool, request_stop: Callable[[], None]) -> None:
        self._platform_sleep = platform_sleep
        self._request_stop = request_stop
        self._request: PowerRequest | None = None

    def take(self, request: PowerRequest) -> None:
        """Take what the guest asks for; called inside its store."""
        if request.action is PowerAction.HIBERNATE and not self._platform_sleep:
            return  # the tree has no such register
        self._request = self._request or request
        self._request_stop()

    def stop(self, now_ns: int) -> Stop | None:
        """Return how a run ends at `now_ns` for what the guest asked for; None while the switch is on."""
        if self._request is None:
            return None
        action, code = self._request
        detail = f"the guest reported failure {code}" if action is PowerAction.FAIL else ""
        return Stop(_REASONS[action], now_ns, detail, code)

    def save(self) -> State:
        """Return the request; nothing while there is none."""
        return (
            {}
            if self._request is None
            else {"action": self._request.action.value, "code": self._request.code}
        )

    def restore(self, state: State) -> None:
        """Take over what `save` returned; raises StateError."""
        if state == {}:
            self._request = None
            return
        fields = Fields(state, "machine.power", ("action", "code"))
        action = fields.text("action", 20)
        code = fields.integer("code", 0, 0xFFFF)
        try:
            self._request = PowerRequest(PowerAction(action), code)
        except ValueError:
            raise fields.fail("action", f"{action!r} is nothing to ask for") from None
