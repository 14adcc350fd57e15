"""A program: llama.cpp's own OpenAI-compatible server on loopback, for the model file that the first argument names.

It writes its address to its output, and serves until it is killed.
"""

import signal
import sys

import xllamacpp

if __name__ == "__main__":
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    signal.pause()
