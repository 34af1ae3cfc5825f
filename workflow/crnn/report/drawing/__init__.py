"""The pictures of the page: charts, bucket plans, training curves, thumbnails."""
