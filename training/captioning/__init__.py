"""Captions by machine, what becomes of captions that exist, and caption files.

    captioner        what the loop knows of a captioner: Captioner
    wd14             taggers: WD14 models in ONNX
    tag_rules        from what a tagger has seen to the tags of a caption
    generator        captioners that write sentences, with transformers
    generator_model  loading such a model whole, or not at all
    prompts          how a picture and a prompt are put to it
    catalog          published captioners that many use
    download         getting one into its folder
    run              a dataset -> a dataset with captions, one picture after the other
    existing         a new caption beside the one that is there
    answers          what captioners said, kept by picture and model
    files            writing caption files
    report           what was done
"""
