"""Speed, as ratios inside one run: each figure beside a floor that was measured in the same minutes.

Nothing is asserted: machines differ and are shared. Floors are measured first and last, so that drift shows.
"""
