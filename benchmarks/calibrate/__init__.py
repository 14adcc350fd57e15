"""How often the verdict is right: on advisors without skill, and on advisors whose skill is planted."""
