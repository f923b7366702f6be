"A training script with `learn.to_accelerate()`, which test_accelerate.py launches: writes what this process found to FOLDER/RANK.json."
import json, os, sys, warnings
from functools import partial

warnings.filterwarnings('ignore')
import torch
import torch.distributed as dist
from accelerate import Accelerator, DataLoaderConfiguration, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, DistributedType, GradientState, PartialState
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from conftest import problem
from fastlr import GradientClipping, Learner, LearnerCallback, LRSweep, accuracy

folder, kind = sys.argv[1], sys.argv[2]
torch.set_num_threads(1)
RANK = int(os.environ.get('RANK', 0))


class Bad(Exception): pass

class Unreadable: # a dataset with a row that one process can't read
    def __init__(self, at, rank): self.rows, self.at, self.rank = problem(), at, rank
    def __len__(self): return len(self.rows)
    def __getitem__(self, i):
        if i == self.at and RANK == self.rank: raise Bad('unreadable')
        return self.rows[i]


def accelerator(**kwargs):
    "A new one; accelerate keeps what the first one was made with, until it is told to forget."
    AcceleratorState._reset_state(); GradientState._reset_state()
    acc = Accelerator(cpu=True, **kwargs)
    if kind == 'fsdp': # accelerate shards on accelerators only, so it is told that these CPUs are such
        plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy='transformer_based_wrap', transformer_cls_names_to_wrap=['Linear'])
        PartialState._shared_state['distributed_type'] = AcceleratorState._shared_state['distributed_type'] = DistributedType.FSDP
        AcceleratorState._shared_state['fsdp_plugin'] = plugin
    return acc

def learner(data=None, split=False, silent=True, workers=0, callback_fns=None, **kwargs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16) if kind == 'fsdp' else nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    dls = DataLoader(data or problem(), 8, shuffle=True, num_workers=workers), DataLoader(problem(48, 1), 8)
    learn = Learner(dls, model, loss_func=nn.CrossEntropyLoss(), metrics=accuracy, silent=silent, path=folder, callback_fns=callback_fns)
    if split: learn.split(lambda m: m[4])
    return learn.to_accelerate(accelerator(**kwargs))

def local(t): return t.to_local() if hasattr(t, 'to_local') else t

def state(learn): return [local(t).tolist() for p in learn.model.parameters() for t in (p, learn.opt.opt.state[p]['exp_avg'])] + [local(b).tolist() for b in learn.model.buffers()]

def curve(**kwargs): return learner(**kwargs).lr_find(num_it=60).to_dict()

def later(**kwargs):
    "What a training ends with, without and with a range test in its middle (and one that an error cuts short); and the random state."
    found = []
    for detour in (False, True):
        learn = learner(**kwargs)
        learn.fit(1, 1e-2)
        if detour:
            learn.lr_find(num_it=7, verify=True)
            loss, calls = learn.loss_func, []
            def breaks_off(out, y):
                calls.append(1)
                if len(calls) == 6: raise Bad('everywhere')                       # in the middle of a window, with two batches a step
                return loss(out, y)
            learn.loss_func = breaks_off
            try: learn.lr_find(num_it=20)
            except Bad: learn.loss_func = loss
        learn.fit(2, 1e-2)
        found.append([state(learn), torch.get_rng_state().tolist(), learn.validate()[0].item()])
    return found[0] == found[1], found[0][2]

def error(f):
    try: f(); return None
    except Exception as e: return f'{type(e).__name__}: {e}'

def printing():
    learn = learner(silent=False)
    learn.lr_find(num_it=40); learn.recorder.plot(suggestion=True); learn.fit(1, 1e-2)

class Saves(LearnerCallback):
    def on_epoch_end(self, **kwargs): self.learn.save('model')

def saving():
    learn = learner(callback_fns=Saves); learn.fit(1, 1e-2); dist.barrier()
    if kind == 'ddp': learn.load('model')                                       # saved while it was wrapped
    path = learn.save('model', return_path=True)
    dist.barrier()
    whole = torch.load(path, weights_only=True)
    return {k: list(v.shape) for k, v in whole['model'].items()}, whole['opt']['state'][0]['exp_avg'].shape[0], len(os.listdir(path.parent))

def loop():
    "A loop of one's own, with accumulation, against the learner."
    acc = accelerator(gradient_accumulation_steps=2)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    model, opt, dl = acc.prepare(model, torch.optim.AdamW(model.parameters(), weight_decay=0.01), DataLoader(problem(), 8, shuffle=True))
    def find(fails=False):
        with LRSweep(opt, model, others=acc, num_it=20, stop_div=False, verify=not fails) as sweep:
            for i, (x, y) in enumerate(sweep(dl)):
                with acc.accumulate(model):
                    if fails and i == 7 and RANK: raise Bad('unreadable')
                    loss = cross_entropy(model(x), y); sweep.meet(); acc.backward(loss); opt.step(); opt.zero_grad()
                sweep.record(loss, update=acc.sync_gradients)
        return sweep.curve
    torch.manual_seed(1)
    own = find()
    message = error(partial(find, True))
    learn = learner(gradient_accumulation_steps=2)
    torch.manual_seed(1)
    return own.losses.tolist() == learn.lr_find(num_it=20, stop_div=False).losses.tolist() and acc.step == 0, message


if kind == 'ddp':
    found = dict(uneven=curve(data=problem(72), dataloader_config=DataLoaderConfiguration(even_batches=False)), curve=curve(), accumulated=curve(gradient_accumulation_steps=2), bf16=curve(mixed_precision='bf16'), later=later(), later_accumulated=later(gradient_accumulation_steps=2),
                 later_workers=later(workers=1), unreadable=error(lambda: learner(Unreadable(3, 1)).lr_find()), again=curve(), loop=loop(), saving=saving(),
                 clipped=later(callback_fns=partial(GradientClipping, clip=0.1)), printing=printing())
    learn = learner(); mine = learn.validate(); found['validate'] = [v.item() for v in mine]
if kind == 'three': found = dict(curve=curve(), later=later(), unreadable=error(lambda: learner(Unreadable(3, 1)).lr_find()), again=curve())
if kind == 'fsdp': found = dict(curve=curve(), later=later(split=True), later_accumulated=later(gradient_accumulation_steps=2), saving=saving(), trained=error(lambda: (l := learner()).load('model')))
if kind == 'short': found = dict(curve=curve())
json.dump(found, open(f'{folder}/{RANK}.json', 'w'))
dist.destroy_process_group()
