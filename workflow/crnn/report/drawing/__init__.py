"""The pictures of the page: charts, the audit path, bucket plans, training curves, thumbnails."""
