"""Part (a) of the benchmark of speed: the training loop of a `Learner`, beside other training loops."""

from contextlib import contextmanager

import torch
from timing import SIZES, adamw, batches, by_hand, criterion, has, interleaved, net


@contextmanager
def watched():
    "Draw progress bars as on a terminal or in a notebook, although their output is discarded here."
    import fastlr.loop as L

    old, L.is_watched = L.is_watched, lambda: True
    try:
        yield
    finally:
        L.is_watched = old


def learner(widths, data, **kw):
    from fastlr import Learner

    return Learner(
        (data, None),
        net(widths),
        loss_func=criterion,
        opt_func=torch.optim.AdamW,
        silent=kw.pop('silent', True),
        **kw,
    )


def loops(data, widths):
    "Return the competitors of part (a), which train alike."

    def hand():
        model = net(widths)
        opt = adamw(model)
        return lambda: by_hand(model, opt, data)

    def zeros():
        model = net(widths)
        opt = adamw(model)
        return lambda: by_hand(model, opt, data, set_to_none=False)

    def plain():
        learn = learner(widths, data)
        return lambda: learn.fit(1, 1e-3)

    def bar():
        learn = learner(widths, data, silent=False)

        def run():
            with watched():
                learn.fit(1, 1e-3)

        return run

    def metrics():
        from fastlr import accuracy

        learn = learner(widths, data, silent=False, metrics=accuracy)
        learn.data.valid_dl = batches(widths, 1)

        def run():
            with watched():
                learn.fit(1, 1e-3)

        return run

    return {
        'by hand': hand,
        'by hand, gradients filled with zeros': zeros,
        'Learner.fit': plain,
        '... with a progress bar': bar,
        '... bar, metric, validation': metrics,
        **peer_loops(data, widths),
    }


def peer_loops(data, widths):
    "Return the training loops of the other libraries that are installed."
    found = {}
    if has('ignite'):

        def ignite():
            from ignite.engine import Engine

            model = net(widths)
            opt = adamw(model)

            def step(engine, batch):
                model.train()
                loss = criterion(model(batch[0]), batch[1])
                loss.backward()
                opt.step()
                opt.zero_grad()
                return loss.detach()

            trainer = Engine(step)
            return lambda: trainer.run(data, max_epochs=1)

        found['ignite'] = ignite
    if has('lightning'):

        def lightning():
            import lightning.pytorch as pl

            class Module(pl.LightningModule):
                def __init__(self):
                    super().__init__()
                    self.net = net(widths)

                def training_step(self, batch, i):
                    return criterion(self.net(batch[0]), batch[1])

                def configure_optimizers(self):
                    return adamw(self)

            trainer = pl.Trainer(
                max_epochs=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                accelerator='cpu',
            )
            module = Module()
            return lambda: trainer.fit(module, data)

        found['Lightning'] = lightning
    if has('fastai', 'fastai.learner'):

        def fastai():
            from functools import partial
            from fastai.learner import DataLoaders, Learner
            from fastai.optimizer import OptimWrapper

            learn = Learner(
                DataLoaders(data, batches(widths, 1)),
                net(widths),
                loss_func=criterion,
                opt_func=partial(OptimWrapper, opt=torch.optim.AdamW),
            )
            return lambda: learn.fit(1, 1e-3)

        found['fastai 2'] = fastai
    return found


def part_a(quick):
    "Return the rows on the training loop."
    widths, n = SIZES['5 thousand'], 200
    rows = interleaved(loops(batches(widths, n), widths), 6 if quick else 30, n)
    return [
        dict(what=f'(a) {name}', **t, goal=1.05 if name.startswith(('Learner', '... with a')) else None)
        for name, t in rows.items()
    ]
