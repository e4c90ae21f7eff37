"""The pack's own conversion of workflow files, for the demo, the makers of what is shipped, and the tests."""

try:
    from ...host.headless.workflow import AS_BEFORE, SEEDS, WIDGET_TYPES, WorkflowError, find, to_api, widget_values
except ImportError:  # `python -m demo.run`: the root is no package, but on sys.path
    from host.headless.workflow import AS_BEFORE, SEEDS, WIDGET_TYPES, WorkflowError, find, to_api, widget_values

__all__ = ["AS_BEFORE", "SEEDS", "WIDGET_TYPES", "WorkflowError", "find", "to_api", "widget_values"]
