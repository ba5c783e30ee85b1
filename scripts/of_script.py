"""What other scripts of this folder define: they have no `.py` in their names, so `import` does not find them."""

import importlib.machinery
import importlib.util
import pathlib


def of_script(name):
    path = str(pathlib.Path(__file__).resolve().parent / name)
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module
