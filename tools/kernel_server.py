"""Jupyter kernels for tools/run_notebooks.py, which start within a fraction of a second.

`ForkedKernels` keeps one process, the server, that has imported PyTorch, Matplotlib and scikit-learn, and
forks each kernel from it. A forked kernel then runs what `python -m ipykernel_launcher` runs, in the folder
and with the environment that were asked for, and its random generators get new seeds, as those of a new
process do. It shares one thing with the other kernels: the seed of `hash`, which Python draws once per
process. `PlainKernels` starts each kernel as Jupyter does, as a new Python process.

    with ForkedKernels(environment) as kernels:
        client = NotebookClient(notebook, km=kernels.manager())

When the block ends, or this process dies, no kernel is left."""

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import uuid
from pathlib import Path

import numpy as np
from jupyter_client.launcher import launch_kernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

# What the server imports: slow, and the same wherever it is imported. PyTorch imports `torch._dynamo` when
# the first optimizer is made. Three kinds of module must stay out. fastlr is what the notebooks test.
# fastcore, fastprogress and tqdm.auto (so Lightning, Accelerate and Transformers too) look once, when they
# are imported, whether they are in a notebook. And matplotlib_inline sets up the kernel that imports it.
PRELOADED = (
    'ipykernel.kernelapp',
    'IPython.core.pylabtools',
    'matplotlib.pyplot',
    'matplotlib.backends.backend_agg',
    'torch',
    'torch._dynamo',
    'torch.utils.data',
    'sklearn.datasets',
)
LAUNCHER = 'ipykernel_launcher'
# Seconds until a server that doesn't end is killed. It ends at once unless the machine is busy.
SECONDS_TO_END = 10


class PlainKernels:
    """Kernels that are new Python processes."""

    def __init__(self):
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def launch(self, command, **options):
        """Start a kernel by `command`; return its process."""
        process = launch_kernel(command, **options)
        self.processes.append(process)
        return process

    def manager(self):
        """Return the manager that nbclient needs to start and to end a kernel."""
        manager = AsyncKernelManager(kernel_name='python3')
        manager.kernel_id = str(uuid.uuid4())
        manager.provisioner = Provisioner(
            kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager
        )
        manager.provisioner.kernels = self
        return manager

    def close(self):
        """Kill the kernels that are still running."""
        for process in self.processes:
            if process.poll() is None:
                kill_group(process.pid)
                process.wait()


class ForkedKernels(PlainKernels):
    """Kernels that are forked from a server. Creating them raises OSError if the server can't be started."""

    def __init__(self, environment):
        super().__init__()
        self.lock = threading.Lock()
        ours, theirs = socket.socketpair()
        command = [sys.executable, __file__, str(theirs.fileno()), *PRELOADED]
        # In a session of its own, the server doesn't receive the Ctrl-C that is meant for this process.
        self.server = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self.requests = ours.makefile('rw')
        ours.close()
        try:
            self.ask('ready')
        except BaseException:
            self.server.kill()
            self.close()
            raise

    def ask(self, what, **arguments):
        """Return the answer of the server to a request."""
        answer = ''
        # If the server has ended, either writing to it fails or its answer is empty.
        with self.lock, contextlib.suppress(ConnectionError):
            self.requests.write(json.dumps([what, arguments]) + '\n')
            self.requests.flush()
            answer = self.requests.readline()
        if not answer:
            raise ConnectionError('the server that forks kernels has ended')
        return json.loads(answer)

    def launch(self, command, *, cwd, env, **options):
        """Fork a kernel that does what `command` does, or start a plain one if it names another Python."""
        if command[0] != sys.executable or LAUNCHER not in command:
            return super().launch(command, cwd=cwd, env=env, **options)
        arguments = command[command.index(LAUNCHER) :]
        return ForkedProcess(self, self.ask('fork', arguments=arguments, folder=str(cwd), environment=env))

    def close(self):
        """End the server, which kills the kernels that are still running."""
        super().close()
        with self.lock, contextlib.suppress(OSError):
            self.requests.close()
        try:
            self.server.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()


class ForkedProcess:
    """The part of `subprocess.Popen` that Jupyter uses, for a process that is a child of the server."""

    stdin = stdout = stderr = None

    def __init__(self, kernels, pid):
        self.kernels = kernels
        self.pid = pid
        self.returncode = None

    def poll(self):
        """Return the exit code of the process, None while it runs."""
        if self.returncode is None:
            try:
                self.returncode = self.kernels.ask('poll', pid=self.pid)
            except (OSError, ValueError):
                # The server is gone, so nothing else would end the processes that it has forked.
                kill_group(self.pid)
                self.returncode = -signal.SIGKILL
        return self.returncode

    def wait(self):
        """Wait for the end of the process, and return its exit code."""
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """End the process."""
        self.send_signal(signal.SIGKILL)


class Provisioner(LocalProvisioner):
    """Let `kernels` start the process of a kernel; leave the rest to Jupyter."""

    kernels = None

    async def launch_kernel(self, cmd, **kwargs):
        """Start a kernel, and return the information that is needed to connect to it."""
        self.process = self.kernels.launch(cmd, **self._scrub_kwargs(kwargs))
        self.pid = self.process.pid
        # Every kernel leads a group of processes, which has the same number. Windows has no groups.
        self.pgid = self.pid if hasattr(os, 'killpg') else None
        self.cwd = kwargs.get('cwd', os.getcwd())
        return self.connection_info


def can_fork():
    """Return whether kernels can be forked: not on Windows, nor on macOS, whose libraries may crash then."""
    return sys.platform == 'linux'


def kill_group(pid):
    """Kill the kernel with the number `pid` and the processes that it has started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except AttributeError:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


# What follows runs in the server, and in the kernels that are forked from it.


def preload(names):
    """Import the modules `names`. If one isn't installed, the notebook that needs it will report that."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            pass
    threads = len(os.listdir('/proc/self/task'))
    if threads > 1:
        sys.exit(
            f'{Path(__file__).name}: the imports have started {threads - 1} more threads; '
            'a process that is forked then may wait for a lock forever'
        )
    # These objects live as long as the process, so garbage collection in the kernels needn't look at them.
    gc.collect()
    gc.freeze()


def serve(descriptor, *names):
    """Import modules, answer requests until the other side closes the socket, and kill the kernels."""
    # ipykernel reads this when it is imported: a kernel ends by itself when this process is gone.
    os.environ['JPY_PARENT_PID'] = str(os.getpid())
    # Where pyarrow is installed, pandas imports it, and its allocator would start a thread.
    os.environ.setdefault('JE_ARROW_MALLOC_CONF', 'background_thread:false')
    connection = socket.socket(fileno=descriptor)
    requests = connection.makefile('rw')
    kernels = set()
    preload(names)
    try:
        for line in requests:
            what, arguments = json.loads(line)
            if what == 'fork':
                answer = fork(connection, **arguments)
                kernels.add(answer)
            elif what == 'poll':
                answer = ended(**arguments)
                if answer is not None:
                    kernels.discard(arguments['pid'])
            else:
                answer = True
            requests.write(json.dumps(answer) + '\n')
            requests.flush()
    except ConnectionError:
        pass
    finally:
        for pid in kernels:
            kill_group(pid)


def ended(pid):
    """Return the exit code of the kernel, None while it runs. Kill the processes that it has left behind."""
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return None
    kill_group(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork(connection, arguments, folder, environment):
    """Start a new process that is a kernel and leads a group of processes, and return its number."""
    pid = os.fork()
    if pid:
        os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        os.close(connection.detach())
        code = run_kernel(arguments, folder, environment)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run_kernel(arguments, folder, environment):
    """Run as a kernel: do what `python -m` does with `arguments`, until the kernel is shut down."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment, JPY_PARENT_PID=str(os.getppid()))
    # The generators of a new process are seeded differently every time.
    random.seed()
    np.random.seed()
    if 'torch' in sys.modules:
        sys.modules['torch'].default_generator.seed()
    sys.argv = list(arguments)
    sys.orig_argv = [sys.executable, '-m', *arguments]
    try:
        runpy.run_module(arguments[0], run_name='__main__', alter_sys=True)
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    # At its exit Python would spend a second on the destruction of PyTorch's objects. Only the first steps of
    # an exit are needed: they wait for threads and remove temporary folders.
    threading._shutdown()
    atexit._run_exitfuncs()
    return code


if __name__ == '__main__':
    # Python has put the folder of this file first on the path of modules; that of a kernel doesn't have it.
    if sys.path[0] == str(Path(__file__).parent):
        del sys.path[0]
    serve(int(sys.argv[1]), *sys.argv[2:])
    # As in `run_kernel`, the slow rest of an exit is skipped.
    os._exit(0)
