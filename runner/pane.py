"""The terminal that the supervisor prints to: never a reason to wait, and never a reason to fail."""

import os
import termios

MAX_WAITING_BYTES = 1024 * 1024
_FALLBACK = (80, 24)


class Pane:
    """Output that a slow terminal delays, a flood shortens, and a vanished one swallows."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._waiting = bytearray()
        self._gone = False
        os.set_blocking(descriptor, False)

    @property
    def width(self) -> int:
        """Columns; what they are now, not what they were."""
        try:
            return os.get_terminal_size(self.descriptor).columns or _FALLBACK[0]
        except OSError:
            return _FALLBACK[0]

    @property
    def waiting_bytes(self) -> int:
        """What `flush` has still to print, once the terminal takes more."""
        return 0 if self._gone else len(self._waiting)

    def show(self, text: str) -> None:
        """Print, now or as soon as the terminal takes it."""
        if self._gone:
            return
        if len(self._waiting) < MAX_WAITING_BYTES:
            self._waiting += text.encode(errors="replace").replace(b"\n", b"\r\n")
        self.flush()

    def flush(self) -> None:
        """Print what the terminal takes. After `tmux kill-session` writing raises EIO: then nobody watches."""
        try:
            while self._waiting:
                del self._waiting[: os.write(self.descriptor, self._waiting[:65536])]
        except BlockingIOError:
            return
        except OSError:
            self._gone = True

    def hush(self) -> None:
        """Keys typed by a viewer neither show nor signal us; Ctrl-S does not stop the output."""
        try:
            modes = termios.tcgetattr(self.descriptor)
            modes[0] &= ~(termios.IXON | termios.ICRNL)
            modes[1] &= ~termios.OPOST
            modes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
            termios.tcsetattr(self.descriptor, termios.TCSANOW, modes)
        except termios.error:
            return  # not a terminal: a test, or a log
