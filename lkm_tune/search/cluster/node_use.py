"""The load of a trial's node, under MLflow's names of system metrics."""

import psutil
import torch


class NodeUse:
    """Reads the load of this node since the last reading.

    It is the load of the node: trials that share a node report the same figures.
    """

    def __init__(self) -> None:
        """Starts the first interval."""
        psutil.cpu_percent()

    def read(self) -> dict[str, float]:
        """Processor, memory, and memory of a GPU if there is one, in per cent and MB."""
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
