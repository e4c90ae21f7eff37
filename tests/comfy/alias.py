"""One copy of a package under two names.

ComfyUI loads the pack under a module name made from its path, tests import it as `pack`. Without help every module
would exist twice, and a class, a registry or a monkeypatch of one copy would be unknown to the other.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys


class _SameModule(importlib.abc.Loader):
    """Hands out a module that exists already, and leaves its own `__spec__` as it was."""

    def __init__(self, module):
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec):
        return self._module

    def exec_module(self, module):
        module.__spec__ = self._spec


class _AliasFinder(importlib.abc.MetaPathFinder):
    def __init__(self, alias: str, original: str):
        self._alias, self._original = alias + ".", original + "."

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith(self._alias):
            return None
        name = self._original + fullname[len(self._alias) :]
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name == name:
                return None
            raise
        return importlib.util.spec_from_loader(fullname, _SameModule(module), is_package=hasattr(module, "__path__"))


def alias_package(alias: str, original: str) -> None:
    """Let every submodule `alias.x` be the very module `original.x`."""
    sys.meta_path.insert(0, _AliasFinder(alias, original))
