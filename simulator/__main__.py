"""``python -m simulator`` is ``btllm``."""

from simulator.cli.main import main

if __name__ == "__main__":
    main()
