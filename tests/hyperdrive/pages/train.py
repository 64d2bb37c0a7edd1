"""The training script of the how-to page, with what the page's sample takes from PyTorch replaced.

Mended: argparse and os are imported. Replaced: the download and the fine-tuning of a network by a formula, of which
the best learning rate is 0.002; torch.save by a text file.
"""

# Written as the pages write it.
# ruff: noqa: PTH103, PTH118, PTH123

import argparse
import os

from sparksweep.hyperdrive import Run

run_logger = Run.get_context()


def fine_tune_model(num_epochs, learning_rate, momentum):
    for epoch in range(1, num_epochs + 1):
        val_accuracy = epoch / num_epochs - abs(learning_rate - 0.002)
        run_logger.log("accuracy", float(val_accuracy))
    return f"{learning_rate} {momentum}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_epochs", type=int, default=25, help="number of epochs to train")
    parser.add_argument("--output_dir", type=str, help="output directory")
    parser.add_argument("--learning_rate", type=float, default=0.001, help="learning rate")
    parser.add_argument("--momentum", type=float, default=0.9, help="momentum")
    # Of the page's other search space.
    parser.add_argument("--keep_probability", type=float)
    parser.add_argument("--batch_size", type=int)
    args = parser.parse_args()

    model = fine_tune_model(args.num_epochs, args.learning_rate, args.momentum)
    output_dir = args.output_dir or "outputs"
    os.makedirs(output_dir, exist_ok=True)
    with open(os.path.join(output_dir, "model.pt"), "w") as file:
        file.write(model)


main()
