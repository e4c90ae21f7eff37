"""The world's pictures and what they are called: animals and things x colours x places x poses, all by a script.

    subjects   animals and things, each of one colour
    places     what is behind them
    cards      what a picture shows, drawn by lot; the combinations that training never sees
    drawing    cards and doodles drawn
    captions   what a card is called, in words that are one token each
"""
