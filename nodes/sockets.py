"""Our own socket types. What they carry:

    Dataset     training.data.dataset.Dataset
    Network     training.network.spec.NetworkSpec
    Kind        training.network.kinds.options.Options: LoKrOptions, OFTOptions, DyLoRAOptions or IA3Options
    Optimizer   training.optim.spec.OptimizerSpec
    Objective   training.objective.spec.ObjectiveSpec
    Preview     training.specs.PreviewSpec
"""

from __future__ import annotations

from comfy_api.latest import io

Dataset = io.Custom("LORACANVAS_DATASET")
Network = io.Custom("LORACANVAS_NETWORK")
Kind = io.Custom("LORACANVAS_KIND")
Optimizer = io.Custom("LORACANVAS_OPTIMIZER")
Objective = io.Custom("LORACANVAS_OBJECTIVE")
Preview = io.Custom("LORACANVAS_PREVIEW")
