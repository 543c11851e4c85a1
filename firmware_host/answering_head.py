"""What can be asked of a head and told to it, whether it streams or not: who it is, and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from detector.samples import DeviceDescription, ParameterReading
from firmware_host.describing import ask_description
from firmware_host.errors import HeadError
from firmware_host.exchange import Exchange
from firmware_host.wire.framing import Frame
from firmware_host.wire.messages import (
    Kind,
    Opcode,
    Parameter,
    read_device,
    read_parameter,
    read_reply,
    same_value,
)


class AnsweringHead:
    """A head that answers questions; what it streams meanwhile is kept by the exchange.

    Parameters
    ----------
    exchange : with it
    clock : host time, ns
    """

    def __init__(self, exchange: Exchange, clock: Callable[[], int]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._device: DeviceDescription | None = None
        self._parameter_hash = 0
        self._known: dict[str, Parameter] = {}
        # one for each parameter that this program itself set
        self._changed: list[ParameterReading] = []

    def now_ns(self) -> int:
        """Host time as this head's records are stamped with, ns since 1970 UTC."""
        return self._clock()

    @property
    def port(self) -> str:
        return self._exchange.reader.port

    @property
    def device(self) -> DeviceDescription:
        """As the head described itself; HeadError before `describe`."""
        if self._device is None:
            raise HeadError("Ask the head to describe itself first.")
        return self._device

    @property
    def parameter_hash(self) -> int:
        """Of its parameter table, as the head said when it described itself; 0 if it did not say."""
        return self._parameter_hash

    @property
    def settings(self) -> Mapping[str, Parameter]:
        """Its parameters by name as they last came; empty before they were asked for. Does not change by itself."""
        return self._known

    def describe(self, timeout_s: float = 3.0) -> DeviceDescription:
        """Ask the head who it is and what it streams. Asks again every half second until it answers.

        Whatever else comes meanwhile waits for `read`. A description that makes no sense is counted, told by `read`
        as any other message of that kind, and asked for again.

        Raises
        ------
        HeadError
            if it does not describe itself in time, or as something that cannot be.
        """
        self._device, self._parameter_hash = ask_description(self._exchange, timeout_s)
        return self._device

    def ask_who(self) -> None:
        """Ask the head to describe itself again; `read` tells if it is otherwise than at first."""
        self._exchange.send(Opcode.DESCRIBE)

    def ask_parameters(self) -> None:
        """Ask the head for its parameter table; each value comes with the samples."""
        self._exchange.send(Opcode.LIST_PARAMETERS)

    def ask_status(self) -> None:
        """Ask the head how it is; the answer comes with the samples."""
        self._exchange.send(Opcode.STATUS)

    def firmware_now(self, timeout_s: float = 2.0) -> str:
        """Ask again what firmware it runs, while it streams; no sample is lost by it.

        Raises
        ------
        HeadError
            if it does not say.
        """
        said: list[str] = []

        def take(frame: Frame) -> bool | None:
            if frame.kind == Kind.DEVICE:
                said.append(read_device(frame.payload).firmware)
                return True
            return False if frame.kind == Kind.STREAM else None

        def ask() -> None:
            self._exchange.send(Opcode.DESCRIBE)

        self._exchange.wait(take, timeout_s, ask, again_s=0.5)
        if not said:
            raise HeadError(f"The head on {self.port} did not say within {timeout_s:g} s what firmware it runs.")
        return said[0]

    def parameters(self, timeout_s: float = 2.0) -> list[Parameter]:
        """The head's parameter table with the values of now; none if it has no parameters.

        Raises
        ------
        HeadError
            if it does not come, or not whole.
        """
        requests: set[int] = set()
        found: dict[int, Parameter] = {}
        total: int | None = None

        def take(frame: Frame) -> bool | None:
            nonlocal total
            if frame.kind == Kind.PARAMETER:
                parameter, total = read_parameter(frame.payload)
                found[parameter.index] = parameter
                return len(found) == total
            if frame.kind == Kind.REPLY and read_reply(frame.payload).request in requests:
                total = total or 0
                return True
            return None

        def ask() -> None:
            requests.add(self._exchange.send(Opcode.LIST_PARAMETERS))

        self._exchange.wait(take, timeout_s, ask, again_s=timeout_s)
        if total is None or len(found) < total:
            wanted = "an unknown number" if total is None else str(total)
            raise HeadError(
                f"The head on {self.port} sent {len(found)} of {wanted} of parameters within {timeout_s:g} s. "
                "Some were lost on the way: try again, and check the cable if that does not help."
            )
        self._known = {p.name: p for p in found.values()}
        return [found[i] for i in sorted(found)]

    def get_parameter(self, name: str) -> float:
        """Value of a parameter as the head has it now."""
        return self._exchange.command(Opcode.GET, name).value

    def set_parameter(self, name: str, value: float) -> float:
        """Set a parameter and read it back; the value that the head now has.

        Raises
        ------
        HeadError
            if the head does not know it, refuses the value, in the head's own words, or says that it was
            done and yet holds another value. A head may hold numbers as f32, and then gives the nearest one.
        """
        self._exchange.command(Opcode.SET, name, value)
        got = self.get_parameter(name)
        self._note(name, got)
        if not same_value(value, got):
            raise HeadError(
                f"The head took {name} = {value:g} and then read back {got:g}. Something else sets it too, or its "
                "firmware is at fault: do not trust this setting."
            )
        return got

    def restore_defaults(self) -> None:
        """Every writable parameter back to its default; what the head keeps over a power cut stays."""
        self._exchange.command(Opcode.DEFAULTS)
        before = {name: p.value for name, p in self._known.items()}
        for p in self.parameters():
            if p.value != before.get(p.name):
                self._note(p.name, p.value)

    def save_parameters(self) -> None:
        """Have the head keep the values of its persistent parameters over a power cut."""
        self._exchange.command(Opcode.SAVE, timeout_s=10.0)  # a flash page takes its time to erase

    def _note(self, name: str, value: float) -> None:
        """For the record: a parameter now has this value."""
        nan = float("nan")
        known = self._known.get(name) or Parameter(0, name, "", "", nan, nan, nan, value)
        self._known = {**self._known, name: replace(known, value=value)}
        self._changed.append(self._known[name].reading(self._clock(), self.device.serial))
