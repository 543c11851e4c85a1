"""Pictures of recordings: functions that take a recording and return matplotlib axes. Needs the extra `plot`.

    from detector.plotting.radar import plot_bscan
    axes = plot_bscan(recording)
    axes.figure.savefig("sweep.png")

Axes are in the units people read: ns, cm, m, MHz, us. What was lost is drawn as a gap, never bridged.
"""
