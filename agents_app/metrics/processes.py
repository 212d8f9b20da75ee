"""Facts of the processes: memory, processor time, open files. Other systems than Linux do not show them."""

from collections.abc import Iterator
from functools import partial

from agents_app.metrics.client import GaugeMetricFamily, Metric, ProcessCollector
from agents_app.metrics.folder import processes

WORKERS = "agent_console_workers"


class Processes:
    """A collector for the parent and its workers. One series each: a sum over processes falls when a worker ends."""

    def collect(self) -> Iterator[Metric]:
        """The number of workers, and the facts of each process with its role and its id."""
        running, families = processes(), dict[str, Metric]()
        workers = list(running.values()).count("worker")
        yield GaugeMetricFamily(WORKERS, "Workers that run.", value=workers)
        for pid, role in running.items():
            reader = ProcessCollector(namespace="agent_console", pid=partial(int, pid), registry=None)
            for read in reader.collect():
                family = families.setdefault(read.name, Metric(read.name, read.documentation, read.type))
                for sample in read.samples:
                    family.add_sample(sample.name, {"role": role, "pid": str(pid)}, sample.value)
        yield from families.values()
