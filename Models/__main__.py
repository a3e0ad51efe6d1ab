"""The commands of `commands/`: `python3 Models COMMAND …`, from any folder.

Python runs a folder that holds a `__main__.py` with that folder first on its search path, so that
the packages beside this file are found without being installed.
"""

import importlib
import pkgutil
import sys

import commands


def main() -> int | None:
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    program, *arguments = sys.argv
    if not arguments or arguments[0] not in names:
        asked_for = arguments[:1] in (["-h"], ["--help"])
        usage = f"usage: python3 {program} COMMAND …, one of: {', '.join(names)}"
        print(usage, file=sys.stdout if asked_for else sys.stderr)
        return 0 if asked_for else 2
    command = arguments[0]
    sys.argv = [f"{program} {command}", *arguments[1:]]
    return importlib.import_module(f"commands.{command}").main()


if __name__ == "__main__":
    sys.exit(main())
