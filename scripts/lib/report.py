"""What scripts print, and how they fail."""


class Failed(SystemExit):
    """Ends the script. As a SystemExit, it passes handlers of errors and leaves an event loop."""


def fail(message):
    raise Failed(f"FAILED: {message}")


def check(holds, otherwise):
    """Ends the script unless something holds."""
    if not holds:
        fail(otherwise)


class Checks:
    """Checks that are printed and counted. A failed one fails the script at its end."""

    def __init__(self):
        self.passed = self.failed = 0

    def true(self, what, holds, otherwise=""):
        if holds:
            self.passed += 1
            print(f"ok      {what}")
        else:
            self.failed += 1
            print(f"FAILED  {what} {otherwise}")

    def equal(self, what, found, expected):
        self.true(f"{what}: {brief(found)}", found == expected, f"expected {brief(expected)}")

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        check(not self.failed, f"{self.failed} checks failed")


def table(*rows):
    """Rows of a name, a figure, and its goal."""
    for name, figure, goal in rows:
        goal = f"   goal: {goal}" if goal else ""
        print(f"{name:<52}{figure!s:>24}{goal}")


def brief(value):
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def mib(size):
    return f"{size / (1 << 20):.0f} MiB"
