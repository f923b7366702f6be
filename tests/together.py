"""Run scenarios in several processes that train together: torchrun ... together.py FOLDER SCENARIO...

A scenario is `plain.usual`, or `plain` for all of this module. Each process writes RANK.jsonl in the folder:
a line when a scenario begins, and one with its result or its error, so that all is there that came before a
process hung or died; and RANK.stderr. `launches.py` starts such processes, and reads what they have written.
"""

import contextlib, faulthandler, gc, json, os, random, socket, sys, time, traceback, warnings
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import fastlr.link
from scenarios import SCENARIOS, messages

# After this time a process gives up that waits for another one in a collective of torch.
GROUP_TIMEOUT = timedelta(seconds=60)
# After this number of seconds one gives up that waits for another one in a message of fastlr.
PATIENCE = 20
# These are the messages of both.
IN_VAIN = 'Timed out waiting', 'has waited for another one in vain'
# After this number of seconds a process that is still in the same scenario writes where it is, and ends; then
# the launcher ends the others.
LIMIT = 90
# If a process has waited in vain in this number of scenarios, the rest is not tried.
HUNG = 2


class Group:
    "The default process group. It is made anew where it may be broken, or where a framework makes its own."

    def __init__(self):
        self.rank = int(os.environ['RANK'])
        self.world_size = int(os.environ['WORLD_SIZE'])
        # The store of the launcher: it works whatever has happened to the group of the processes. That of
        # torch 2.4 has none: the first process serves one, which its first group then shares.
        address = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
        serves = self.rank == 0 and os.environ.get('TORCHELASTIC_USE_AGENT_STORE') == 'False'
        timeout = timedelta(seconds=2 * LIMIT)
        self.store = dist.TCPStore(*address, is_master=serves, timeout=timeout, multi_tenant=True)
        self.made = 0

    def make(self, by_framework):
        "Begin with a new group, or with none if the framework makes it in the scenario that follows."
        self.close()
        # Values that an earlier group has left in its store would be taken for those of the new one.
        if self.made:
            self._use_another_store()
        self.made += 1
        if not by_framework:
            dist.init_process_group('gloo', timeout=GROUP_TIMEOUT)

    def close(self):
        if dist.is_initialized():
            dist.destroy_process_group()

    def _use_another_store(self):
        "Let the first process serve the store, at a port that it sends to the others."
        if self.rank == 0:
            with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                port = s.getsockname()[1]
            self.store.set(f'port {self.made}', str(port))
        os.environ['MASTER_PORT'] = self.store.get(f'port {self.made}').decode()
        os.environ['TORCHELASTIC_USE_AGENT_STORE'] = 'False'

    def exchange(self, place, value):
        "Wait for all processes, and return what each of them has sent, by rank."
        self.store.set(f'{place} {self.rank}', json.dumps(value))
        return [json.loads(self.store.get(f'{place} {rank}')) for rank in range(self.world_size)]


@contextlib.contextmanager
def printed_to(path):
    "Write to `path` what this process and its children print."
    sys.stdout.flush()
    before = os.dup(1)
    with open(path, 'w') as f:
        os.dup2(f.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(before, 1)
        os.close(before)


@contextlib.contextmanager
def limited():
    "End this process, with a traceback of each thread, if it stays in this block for too long."
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def plain(result):
    "Return what a scenario returned, in the form that JSON has."
    return result.to_dict() if hasattr(result, 'to_dict') else result


def reset():
    """Let all scenarios begin alike: reset the random state, and accelerate, which remembers its first
    settings."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    state = sys.modules.get('accelerate.state')
    if state is None:
        return
    state.AcceleratorState._reset_state(reset_partial_state=True)
    state.GradientState._reset_state()


class Process:
    "This process, which runs the scenarios and records their results."

    def __init__(self, folder):
        self.folder = folder
        self.group = Group()
        self.log = open(folder / f'{self.group.rank}.jsonl', 'w')
        # Modules that were imported, or could not be; and the module of the last scenario.
        self.loaded, self.module = {}, None
        # Whether the group may be broken, and in which scenarios a process has waited in vain.
        self.broken, self.hung = False, []

    def write(self, **row):
        self.log.write(json.dumps(row) + '\n')
        self.log.flush()

    def run(self, asked):
        "Run the scenarios in `asked`, in which a name without a dot stands for all of a module."
        for name in asked:
            module = name.partition('.')[0]
            if not self.load(module):
                continue
            own = [s for s in SCENARIOS if s.startswith(f'{module}.')]
            for scenario in own if name == module else [name]:
                if len(self.hung) < HUNG:
                    self.take(module, scenario)
                else:
                    self.skip(scenario)
        self.group.close()

    def skip(self, scenario):
        hung = ' and '.join(self.hung)
        self.write(scenario=scenario, skipped=f'a process has waited in vain for another in {hung}')

    def load(self, module):
        "Import a module of scenarios, and the framework with it. Return whether all processes could."
        if module in self.loaded:
            return self.loaded[module]
        name = f'import of {module}'
        self.write(begun=name)
        began, row = time.perf_counter(), {}
        try:
            with limited():
                import_module(f'scenarios.{module}')
            # Frameworks collect garbage in each training, which takes no time without what was imported.
            gc.freeze()
        except Exception:
            row = dict(error=traceback.format_exc())
        self.write(scenario=name, seconds=time.perf_counter() - began, **row)
        self.loaded[module] = not any(self.group.exchange(name, 'error' in row))
        return self.loaded[module]

    def take(self, module, scenario):
        "Run one scenario, and check that all processes end it synchronized; otherwise they get a new group."
        makes_group = getattr(sys.modules[f'scenarios.{module}'], 'MAKES_GROUP', False)
        self.write(begun=scenario)
        with limited():
            if self.broken or self.group.made == 0 or makes_group and module != self.module:
                self.group.make(makes_group)
            self.module = module
            row = self.result(scenario)
        self.write(scenario=scenario, **row)
        waited = any(words in str(row) for words in IN_VAIN)
        ends = self.group.exchange(scenario, [messages(), 'error' in row, waited])
        sent, failed, waited = zip(*ends)
        out_of_step = any(x != sent[0] for x in sent)
        if out_of_step:
            self.write(scenario=scenario, error=f'The processes are out of step: links, exchanges: {sent}')
        if any(waited):
            self.hung.append(scenario)
        self.broken = any((*failed, *waited, out_of_step))

    def result(self, scenario):
        "Return what a scenario returns or raises, what it prints, and how long it takes."
        reset()
        path, environment = self.folder / f'{scenario}-{self.group.rank}.out', dict(os.environ)
        began = time.perf_counter()
        with printed_to(path):
            try:
                row = dict(result=plain(SCENARIOS[scenario](self.group.rank)))
                json.dumps(row)
            except (Exception, SystemExit):
                row = dict(error=traceback.format_exc())
        seconds = time.perf_counter() - began
        os.environ.clear()
        os.environ.update(environment)
        return dict(row, printed=path.read_text(), seconds=seconds)


def main():
    folder, *asked = sys.argv[1:]
    folder = Path(folder)
    rank = os.environ['RANK']
    with open(folder / f'{rank}.stderr', 'w') as f:
        os.dup2(f.fileno(), 2)
    (folder / f'{rank}.pid').write_text(str(os.getpid()))
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    fastlr.link.PATIENCE = PATIENCE
    Process(folder).run(asked)


if __name__ == '__main__':
    main()
