"""The table of nbs/tutorials/where_it_works.ipynb.

Each tick has a test of the real thing, and each test that is named exists."""

import ast, json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COLUMNS = 'Learner', 'Your loop', 'Accelerate', 'Lightning', 'Transformers', 'fastai'

# The tests of each row and column, as file:function without `test_`; None where the cell says no.
TESTS = {
    'The same curve as a plain loop': (
        'lr_find:same_curve_by_learner_and_by_hand',
        'range_test:one_curve_through_four_entry_points',
        'accelerate:one_curve_through_all_entry_points',
        'lightning:one_curve_through_every_entry_point',
        'transformers:one_curve_through_two_entry_points',
        'fastai:the_curve_is_that_of_a_plain_loop',
    ),
    'Later training the same, bit for bit': (
        'lr_find:everything_is_restored',
        'range_test:training_goes_on_as_if_it_had_never_run',
        'accelerate:training_after_it_is_the_same',
        'lightning:a_later_fit_is_the_same',
        'transformers:training_goes_on_as_if_it_had_never_run',
        'fastai:the_training_afterwards_is_the_same_bit_for_bit',
    ),
    'Between two epochs, or two calls of `fit`': (
        'lr_find:earlier_training_does_not_stop_it',
        'snapshot:training_goes_on_as_if_nothing_had_happened',
        'accelerate:training_after_it_is_the_same',
        'lightning:in_the_middle_of_a_training',
        'transformers:training_goes_on_as_if_it_had_never_run',
        'fastai:the_training_afterwards_is_the_same_bit_for_bit',
    ),
    'After an error or Ctrl-C': (
        'snapshot:after_a_fault_in_lr_find_the_learner_is_restored',
        'snapshot:sigint_at_random_instants',
        'processes:later_training_is_the_same_bit_for_bit',
        'lightning:errors_and_interrupts_are_raised_and_everything_is_restored',
        'transformers:an_error_in_the_middle_leaves_nothing_behind',
        'fastai:everything_is_restored_after_an_exception_or_ctrl_c',
    ),
    'Callbacks, loggers, checkpoints left alone': (
        'lr_find:loggers_trackers_and_schedulers_are_not_run',
        None,
        None,
        'lightning:the_trainer_is_restored',
        'transformers:callbacks_logs_and_checkpoints_of_the_trainer_are_left_alone',
        'fastai:loggers_savers_and_schedulers_are_left_alone',
    ),
    'Gradient accumulation': (
        'lr_find:leftover_windows_are_points',
        'loops:accumulated_batches_make_one_point_with_their_mean_loss',
        'accelerate:one_curve_through_all_entry_points',
        'lightning:with_accumulation_a_point_is_an_update',
        'transformers:with_accumulation_a_point_is_the_loss_of_all_batches_of_the_update',
        'fastai:each_update_is_a_point',
    ),
    'bf16': (
        'lr_find:everything_is_restored',
        'torch_lr_finder:mixed_precision_is_that_of_pytorch_lr_finder',
        'accelerate:precision',
        'lightning:precision',
        'transformers:training_goes_on_as_if_it_had_never_run',
        'fastai:a_step_that_the_scaler_skips_is_not_a_point',
    ),
    'fp16: steps that the scaler skips are no points': (
        'lr_find:fp16_steps_that_were_skipped_are_not_points',
        'loops:a_step_that_the_scaler_skipped_is_not_a_point',
        'accelerate:a_scaler_that_skips',
        'lightning:a_gradient_scaler_is_copied_and_what_it_skips_is_not_a_point',
        'transformers:a_step_that_the_scaler_skips_is_not_a_point',
        'fastai:a_step_that_the_scaler_skips_is_not_a_point',
    ),
    'Gradient clipping': (
        'lr_find:everything_is_restored',
        None,
        'processes:later_training_is_the_same_bit_for_bit',
        'lightning:settings_of_the_trainer_arrive',
        'transformers:clipping_of_the_trainer_is_honoured',
        'fastai:clipping_has_an_effect',
    ),
    'Several optimizers': (
        None,
        'sweep:two_optimizers',
        None,
        'lightning:several_optimizers_and_manual_optimization',
        None,
        None,
    ),
    'Parameter groups keep their ratio': (
        'lr_find:learning_rate_group_by_group',
        'loops:parameter_groups_keep_their_ratio',
        'accelerate:groups_keep_their_ratio_and_the_rate_sets_itself',
        'lightning:several_optimizers_and_manual_optimization',
        'transformers:groups_keep_their_ratio_through_a_warm_up',
        'fastai:groups_keep_the_ratio_of_the_rates_of_the_learner',
    ),
    'Schedulers stand still': (
        'lr_find:loggers_trackers_and_schedulers_are_not_run',
        'loops:a_scheduler_stands_still_and_is_restored',
        None,
        'lightning:schedulers_stand_still',
        'transformers:groups_keep_their_ratio_through_a_warm_up',
        'fastai:loggers_savers_and_schedulers_are_left_alone',
    ),
    'Loaders with worker processes': (
        'lr_find:training_with_worker_processes_goes_on_as_if_nothing_had_happened',
        'range_test:with_workers',
        'processes:later_training_is_the_same_bit_for_bit',
        'lightning:a_later_fit_is_the_same',
        'transformers:training_goes_on_as_if_it_had_never_run',
        'fastai:the_training_afterwards_is_the_same_bit_for_bit',
    ),
    'Data that cannot begin again ends the sweep': (
        'lr_find:generator_ends_with_data',
        'loaders:loaders_of_any_length',
        None,
        'lightning:data_that_cannot_begin_again',
        'transformers:data_begins_again_and_runs_out_where_it_cannot',
        None,
    ),
    'DDP: one answer in all processes': (
        'processes:one_answer_on_all_processes',
        'processes:one_answer_on_all_processes',
        'processes:one_curve_in_all_processes',
        'processes:lightning_processes_agree_and_none_waits',
        'processes:two_processes_have_one_curve_and_train_on_as_if_it_had_never_run',
        None,
    ),
    'DDP: later training the same, bit for bit': (
        None,
        'processes:later_training_is_the_same',
        'processes:later_training_is_the_same_bit_for_bit',
        'processes:a_later_fit_is_the_same_in_both',
        'processes:two_processes_have_one_curve_and_train_on_as_if_it_had_never_run',
        None,
    ),
    'An error in one process ends it in all': (
        'processes:an_error_in_one_process_ends_the_sweep_in_all',
        'processes:an_error_in_one_process_ends_the_sweep_in_all',
        'processes:an_error_in_one_process_ends_the_sweep_in_all_and_the_next_one_works',
        'processes:an_error_in_one_lightning_process_ends_it_in_both',
        'processes:an_error_in_one_trainer_ends_the_sweep_in_both',
        None,
    ),
    'Only the first process prints': (
        None,
        'processes:only_the_first_process_writes_lines_into_a_log',
        'processes:only_the_first_process_prints',
        'processes:only_the_first_lightning_process_prints',
        'processes:only_the_first_trainer_prints',
        None,
    ),
    'FSDP2': (
        None,
        'processes:what_is_sharded_gives_the_same_curve',
        'processes:sharded',
        None,
        None,
        None,
    ),
    'The rate sets itself': (
        'tune:what_is_set_is_what_the_next_training_uses',
        None,
        'accelerate:groups_keep_their_ratio_and_the_rate_sets_itself',
        'lightning:what_is_set_is_what_the_next_fit_uses',
        'transformers:with_update_args_it_is_set_and_used',
        None,
    ),
}


def table():
    "Return the cells of each row of the table in the notebook."
    cells = json.loads((HERE.parent / 'nbs/tutorials/where_it_works.ipynb').read_text())['cells']
    texts = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'markdown']
    lines = [line for text in texts for line in text.splitlines() if line.startswith('|')]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert tuple(rows[0][1:]) == COLUMNS
    return {row[0]: row[1:] for row in rows[2:]}


def test_the_table_says_what_the_tests_do():
    assert list(table()) == list(TESTS)
    for row, cells in table().items():
        assert len(cells) == len(COLUMNS)
        for column, cell, test in zip(COLUMNS, cells, TESTS[row]):
            assert cell.startswith('✓') == (test is not None) and cell, (row, column)


NAMED = sorted({test for tests in TESTS.values() for test in tests if test})


@pytest.mark.parametrize('file', sorted({test.partition(':')[0] for test in NAMED}))
def test_every_test_that_is_named_exists(file):
    tree = ast.parse((HERE / f'test_{file}.py').read_text())
    found = {f.name for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)}
    named = {f'test_{test.partition(":")[2]}' for test in NAMED if test.startswith(f'{file}:')}
    assert not named - found
