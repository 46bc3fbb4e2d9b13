"""The parts of a training run; `python -m painter.train` puts them together.

painters.py draws pictures in other processes, store.py keeps them and their latents on the device;
vae_stage.py, diffusion_stage.py and lora_stage.py train; checkpoint.py reads and writes single files.
"""
