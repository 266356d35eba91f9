"""What takes longer than a gate may: how answers stand missing and noisy inputs, what each part of the features is worth,
how much a second training changes, what an answer rests on, and what the gate's rows share with the training set."""
