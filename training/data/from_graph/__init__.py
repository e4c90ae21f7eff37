"""What the graph makes -> Dataset.

    graph_images  pictures that the graph made
    merge         several datasets as one
"""
