"""From cells to detections: alarms, features, classifier, novelty, fusion."""
