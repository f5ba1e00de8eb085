"""Functions in Python that do Bellwire's background work: the job protocol, version 1 (docs/job-protocol.md).

The way of a job, by file: `job_reader` takes it from its queue, `job` and `grant` check it, `runner` has it done by
`attempt`, `task_events` says what is told of it, `publisher` tells it, and `runner` settles it. Beside them `log_reader`
learns which tasks were cancelled, and `storage` holds what the broker does not carry.
"""

from .errors import Cancelled, Permanent, Retry
from .task import Result, Task, Toast
from .worker import Worker

__all__ = ["Cancelled", "Permanent", "Result", "Retry", "Task", "Toast", "Worker"]
