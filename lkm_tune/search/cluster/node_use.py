"""How busy the node of a trial is, by the names under which MLflow shows system metrics."""

import psutil
import torch


class NodeUse:
    """Reads the use of this node since it was last read.

    It is the node's, not the trial's: trials that share a node report the same.
    """

    def __init__(self) -> None:
        """The first reading counts from here."""
        psutil.cpu_percent()

    def read(self) -> dict[str, float]:
        """Processor, memory, and the GPU's memory where there is one, in per cent and MB."""
        memory = psutil.virtual_memory()
        use = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": memory.percent,
        }
        if torch.cuda.is_available():
            free, whole = torch.cuda.mem_get_info()
            use["gpu_memory_usage_megabytes"] = (whole - free) / 1e6
            use["gpu_memory_usage_percentage"] = 100 * (whole - free) / whole
        return use
