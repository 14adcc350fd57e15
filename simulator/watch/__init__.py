"""An experiment on a clock that runs forward, on paper: feeds, bars, decisions committed before their outcome."""
