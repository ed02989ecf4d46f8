"""A wall clock that is wrong, and changes its mind: for processes that are started with it, and for no others."""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);
static volatile const int64_t *seconds;

__attribute__((constructor)) static void begin(void) {
    real = dlsym(RTLD_NEXT, "clock_gettime");
    int file = open(getenv("EVENTOS_TEST_CLOCK"), O_RDONLY);
    seconds = mmap(0, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += *seconds;
    return failed;
}
"""


@dataclass(frozen=True)
class Clock:
    """How far the wall clock of certain processes is off, in a file that they share; the monotonic one is not."""

    library: Path
    offset: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be started with."""
        return {"LD_PRELOAD": str(self.library), "EVENTOS_TEST_CLOCK": str(self.offset)}

    def step(self, seconds: int) -> None:
        """Set the clock so many seconds ahead of the true time."""
        with self.offset.open("r+b") as file:
            file.write(struct.pack("=q", seconds))


def compiler() -> str | None:
    """A C compiler, where there is one."""
    return shutil.which("cc") or shutil.which("gcc")


@contextmanager
def stepped_clock(folder: Path) -> Iterator[Clock]:
    """A clock that is right at first."""
    source, made = folder / "clock.c", Clock(folder / "clock.so", folder / "clock.offset")
    source.write_text(_SOURCE)
    found = compiler()
    assert found is not None
    subprocess.run([found, "-shared", "-fPIC", "-O1", "-o", made.library, source, "-ldl"], check=True)
    made.offset.write_bytes(struct.pack("=q", 0))
    yield made
