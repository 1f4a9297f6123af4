#!/usr/bin/env python3
"""Copies the published encoder in half precision, without its pooler, to model/: what train_delta.py starts from.

    half.py FOLDER          the folder of model.safetensors and tokenizer.json
"""
import os, shutil, sys
from safetensors.torch import load_file,save_file
src=sys.argv[1]
os.makedirs('model',exist_ok=True)
w=load_file(src+'/model.safetensors')
w={k:v.half() for k,v in w.items() if v.is_floating_point() and not k.startswith('pooler')}
save_file(w,'model/model.safetensors')
shutil.copy(f'{src}/tokenizer.json','model/')
